// The one place where HTML enters the page. What comes through here has been sanitised by the server.

interface Policy {
  createHTML(html: string): unknown;
}

interface Factory {
  createPolicy(name: string, rules: { createHTML(html: string): string }): Policy;
}

const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
const policy = factory?.createPolicy("taquilla", { createHTML: (html) => html });

/** HTML of the server, for `dangerouslySetInnerHTML`. */
export function serverHtml(html: string): { __html: string } {
  return { __html: (policy ? policy.createHTML(html) : html) as string };
}
