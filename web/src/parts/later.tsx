// What shows only when somebody asks for it. It takes longer to make than a list of tickets, so it comes once the page has
// been painted.

import { Menu, type MenuProps, Tooltip } from "@mantine/core";
import {
  cloneElement,
  type HTMLAttributes,
  type ReactElement,
  type ReactNode,
  type Ref,
  useEffect,
  useRef,
  useState,
} from "react";
import { usePainted } from "../lib/use-painted";

/** What nobody sees at first. */
export function Later({ children }: { children: ReactNode }) {
  return usePainted() ? children : null;
}

type Button = ReactElement<HTMLAttributes<HTMLElement> & { ref?: Ref<HTMLButtonElement> }>;

/** Whether a button may be replaced: after the painting, and not while somebody holds it or stands on it. */
function useReplaceable() {
  const painted = usePainted();
  const [held, setHeld] = useState(false);
  const hold = { onPointerDown: () => setHeld(true), onFocus: () => setHeld(true), onBlur: () => setHeld(false) };
  return { replaceable: painted && !held, hold };
}

/** Words that show when one points at a button. */
export function Tip({ label, children }: { label: string; children: Button }) {
  const { replaceable, hold } = useReplaceable();
  return replaceable ? <Tooltip label={label}>{children}</Tooltip> : cloneElement(children, hold);
}

interface DropdownProps extends MenuProps {
  button: Button;
  /** Words that show when one points at the button. */
  tip?: string;
  children: ReactNode;
}

/** A button with a menu. Pressed before the menu is there, it opens as soon as it is. */
export function Dropdown({ button, tip, children, ...menu }: DropdownProps) {
  const { replaceable, hold } = useReplaceable();
  const [pressed, setPressed] = useState(false);
  const [opened, setOpened] = useState(false);
  const target = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!pressed) return;
    // The menu gives the focus back to where it was.
    target.current?.focus();
    setOpened(true);
  }, [pressed]);
  if (!replaceable && !pressed) {
    return cloneElement(button, { ...hold, "aria-haspopup": "menu", onClick: () => setPressed(true) });
  }
  const shown = cloneElement(button, { ref: target });
  return (
    <Menu {...menu} opened={opened} onChange={setOpened}>
      <Menu.Target>{tip ? <Tooltip label={tip}>{shown}</Tooltip> : shown}</Menu.Target>
      <Menu.Dropdown>{children}</Menu.Dropdown>
    </Menu>
  );
}
