import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { ApiError } from "../api/client";
import { isText, type Translate, translate } from "../i18n";

/** What went wrong, for people. */
export function explain(error: unknown, t: Translate = translate): string {
  if (!(error instanceof ApiError)) return t("app.failed");
  if (error.status === 0) return t("problem.away");
  const key = `problem.${(error.problem?.type ?? "").replace("/problems/", "")}`;
  return isText(key) ? t(key) : (error.problem?.detail ?? t("app.failed"));
}

/** What is wrong with each field, for people. */
export function fieldTexts(error: unknown, t: Translate = translate): Record<string, string> {
  if (!(error instanceof ApiError)) return {};
  return Object.fromEntries(
    Object.entries(error.fields()).map(([field, code]) => {
      const key = `fault.${code}`;
      return [field, isText(key) ? t(key) : t("fault.invalid")];
    }),
  );
}

export function told(message: string, id?: string): void {
  notifications.show({ message, autoClose: 4_000, ...(id ? { id } : {}) });
}

/** Tells what was done, with a way back. */
export function toldUndoable(done: string, undo: () => void): void {
  const id = crypto.randomUUID();
  const back = () => {
    notifications.hide(id);
    undo();
  };
  const message = (
    <span className="undoable">
      {done}
      <Button size="compact-xs" variant="light" onClick={back}>
        {translate("bulk.undo")}
      </Button>
    </span>
  );
  notifications.show({ id, message, autoClose: 10_000 });
}

export function failed(error: unknown): void {
  warned(explain(error));
}

/** Tells what did not work, in words of its own. */
export function warned(message: string): void {
  notifications.show({ message, color: "red", autoClose: 8_000 });
}
