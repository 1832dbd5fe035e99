import { ApiError, authorized } from "../api/client";
import { serialized } from "../api/queries";
import type { Problem } from "../api/types";
import type { ListParams } from "./search";

/** Gives a file to whoever sits at the browser. */
export function save(name: string, parts: BlobPart[], type = "text/csv;charset=utf-8"): void {
  const address = URL.createObjectURL(new Blob(parts, { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** The mark by which spreadsheets know UTF-8. */
export const BOM = "\ufeff";

/** The whole list as CSV. */
export async function downloadTickets(params: ListParams): Promise<void> {
  const answer = await authorized(new Request(`/api/v1/tickets/export?${serialized({ ...params })}`));
  if (!answer.ok) throw new ApiError(answer.status, (await answer.json().catch(() => undefined)) as Problem | undefined);
  save("tickets.csv", [BOM, await answer.blob()]);
}

/** A cell of CSV: quoted, and no formula. */
export function cell(value: string | number | null | undefined): string {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Rows as CSV. */
export function csv(rows: (string | number | null | undefined)[][]): string {
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}
