// Somebody else was quicker: both are told apart, and nothing is overwritten unasked.

import { Alert, Button } from "@mantine/core";
import { queryClient, ticketActivityQuery } from "../../api/queries";
import type { TicketChange } from "../../api/types";
import { useText } from "../../i18n";

export interface Conflict {
  /** Who changed the ticket last; unknown when the log does not say. */
  who: string | undefined;
  /** What was to be changed. */
  fields: TicketChange;
}

/** Who else changed a ticket last. */
export async function whoChanged(id: number, me: number): Promise<string | undefined> {
  const entries = await queryClient.fetchQuery({ ...ticketActivityQuery(id), staleTime: 0 }).catch(() => []);
  return entries.findLast((entry) => entry.action.startsWith("ticket.") && entry.actor.id !== me)?.actor.name;
}

export function ConflictNotice(props: {
  conflict: Conflict | undefined;
  onMine: (fields: TicketChange) => void;
  onClose: () => void;
}) {
  const { t } = useText();
  const { conflict } = props;
  if (!conflict) return null;
  return (
    <Alert
      color="yellow"
      role="alert"
      title={t("conflict.title", { name: conflict.who ?? t("conflict.somebody") })}
      className="conflict"
    >
      <p>{t("conflict.text")}</p>
      <div className="actions">
        <Button
          size="xs"
          variant="default"
          onClick={() => {
            props.onMine(conflict.fields);
            props.onClose();
          }}
        >
          {t("conflict.mine")}
        </Button>
        <Button size="xs" variant="default" onClick={props.onClose}>
          {t("conflict.theirs")}
        </Button>
      </div>
    </Alert>
  );
}
