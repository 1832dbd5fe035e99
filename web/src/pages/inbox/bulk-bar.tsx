import { Button } from "@mantine/core";
import { type Text, useText } from "../../i18n";
import { undo, usePending } from "../../lib/bulk";

/** What can be done: with live tickets, or with deleted ones. */
export type Actions =
  | { assign: () => void; status: () => void; priority: () => void; tag: () => void; restore?: undefined }
  | { restore: () => void };

/** What can be done with the selected tickets, and how to take back what has just been done. */
export function BulkBar({ count, actions, onClear }: { count: number; actions: Actions; onClear: () => void }) {
  const { t } = useText();
  const pending = usePending();
  if (count === 0 && !pending) return null;
  const deeds: [Text, () => void][] = actions.restore
    ? [["ticket.restore", actions.restore]]
    : [
        ["bulk.assign", actions.assign],
        ["bulk.status", actions.status],
        ["bulk.priority", actions.priority],
        ["bulk.tags", actions.tag],
      ];
  return (
    <div className="bulk" role="toolbar" aria-label={t("bulk.selected", { count })}>
      {count > 0 && (
        <>
          <span className="bulk-count">{t("bulk.selected", { count })}</span>
          {deeds.map(([text, run]) => (
            <Button key={text} size="xs" variant="subtle" onClick={run}>
              {t(text)}
            </Button>
          ))}
          <Button size="xs" variant="subtle" color="gray" onClick={onClear}>
            {t("bulk.clear")}
          </Button>
        </>
      )}
      {pending && (
        <span className="bulk-pending">
          {t("bulk.pending", { count: pending.ids.length, what: pending.what })}
          <Button size="xs" variant="light" onClick={undo}>
            {t("bulk.undo")}
          </Button>
        </span>
      )}
    </div>
  );
}
