import { serverHtml } from "../lib/trusted";

/** Words that the server made from Markdown. */
export function Prose({ html, className }: { html: string; className?: string }) {
  // biome-ignore lint/security/noDangerouslySetInnerHtml: sanitised by the server, see lib/trusted.ts
  return <div className={`prose ${className ?? ""}`} dangerouslySetInnerHTML={serverHtml(html)} />;
}
