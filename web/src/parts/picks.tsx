// What the picker offers for tickets.

import { PRIORITIES, type Priority, STATUSES, type Status, type User } from "../api/types";
import { translate as t } from "../i18n";
import { PriorityIcon, StatusIcon } from "./marks";
import { pick } from "./picker";

export function pickStatus(choose: (status: Status) => void, allowed: readonly Status[] = STATUSES): void {
  pick({
    placeholder: t("pick.status"),
    choices: allowed.map((status) => ({
      id: status,
      label: t(`status.${status}`),
      icon: <StatusIcon status={status} />,
      run: () => choose(status),
    })),
  });
}

export function pickPriority(choose: (priority: Priority) => void): void {
  pick({
    placeholder: t("pick.priority"),
    choices: PRIORITIES.map((priority) => ({
      id: priority,
      label: t(`priority.${priority}`),
      icon: <PriorityIcon priority={priority} />,
      run: () => choose(priority),
    })),
  });
}

export function pickAssignee(staff: readonly User[], me: User, choose: (id: number | null, name: string) => void): void {
  const others = staff.filter((one) => one.id !== me.id);
  pick({
    placeholder: t("pick.assignee"),
    choices: [
      { id: "me", label: me.full_name, hint: t("pick.me"), run: () => choose(me.id, me.full_name) },
      { id: "none", label: t("field.nobody"), run: () => choose(null, t("field.nobody")) },
      ...others.map((one) => ({
        id: String(one.id),
        label: one.full_name,
        hint: one.email,
        run: () => choose(one.id, one.full_name),
      })),
    ],
  });
}

export function pickTag(known: readonly string[], choose: (tag: string) => void): void {
  pick({
    placeholder: t("pick.tag"),
    choices: known.map((tag) => ({ id: tag, label: tag, run: () => choose(tag) })),
    typed: (text) => {
      const tag = text.toLowerCase().replaceAll(",", "");
      if (!tag || known.includes(tag)) return [];
      return [{ id: `new ${tag}`, label: t("pick.add_tag", { tag }), run: () => choose(tag) }];
    },
  });
}
