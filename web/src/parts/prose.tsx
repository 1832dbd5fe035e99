import { useLayoutEffect, useMemo, useRef } from "react";
import { mark } from "../lib/mentions";
import { serverHtml } from "../lib/trusted";
import { useMe } from "../lib/use-session";

interface Props {
  html: string;
  className?: string;
  /** Who may be mentioned in it. */
  names?: readonly string[];
}

const NOBODY: readonly string[] = [];

/** Words that the server made from Markdown. */
export function Prose({ html, className, names = NOBODY }: Props) {
  const me = useMe().full_name;
  const box = useRef<HTMLDivElement>(null);
  // The same object for the same words: React would write them anew for another one, and what is marked would be lost.
  const words = useMemo(() => serverHtml(html), [html]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: other words are marked anew
  useLayoutEffect(() => {
    if (box.current) mark(box.current, names, me);
  }, [words, names, me]);
  // biome-ignore lint/security/noDangerouslySetInnerHtml: sanitised by the server, see lib/trusted.ts
  return <div ref={box} className={`prose ${className ?? ""}`} dangerouslySetInnerHTML={words} />;
}
