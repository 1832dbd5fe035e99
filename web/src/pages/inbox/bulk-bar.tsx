import { Button } from "@mantine/core";
import { useText } from "../../i18n";
import { undo, usePending } from "../../lib/bulk";

interface Actions {
  assign: () => void;
  status: () => void;
  priority: () => void;
  tag: () => void;
}

/** What can be done with the selected tickets, and how to take back what has just been done. */
export function BulkBar({ count, actions, onClear }: { count: number; actions: Actions; onClear: () => void }) {
  const { t } = useText();
  const pending = usePending();
  if (count === 0 && !pending) return null;
  return (
    <div className="bulk" role="toolbar" aria-label={t("bulk.selected", { count })}>
      {count > 0 && (
        <>
          <span className="bulk-count">{t("bulk.selected", { count })}</span>
          <Button size="xs" variant="subtle" onClick={actions.assign}>
            {t("bulk.assign")}
          </Button>
          <Button size="xs" variant="subtle" onClick={actions.status}>
            {t("bulk.status")}
          </Button>
          <Button size="xs" variant="subtle" onClick={actions.priority}>
            {t("bulk.priority")}
          </Button>
          <Button size="xs" variant="subtle" onClick={actions.tag}>
            {t("bulk.tags")}
          </Button>
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
