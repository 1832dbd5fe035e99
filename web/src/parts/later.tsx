// What shows only when somebody asks for it. It takes longer to make than a list of tickets, so it comes once the page has
// been painted.

import { Menu, type MenuProps, Tooltip } from "@mantine/core";
import { cloneElement, type MouseEventHandler, type ReactElement, type ReactNode, useState } from "react";
import { usePainted } from "../lib/use-painted";

/** What nobody sees at first. */
export function Later({ children }: { children: ReactNode }) {
  return usePainted() ? children : null;
}

/** Words that show when one points at a button. */
export function Tip({ label, children }: { label: string; children: ReactElement }) {
  return usePainted() ? <Tooltip label={label}>{children}</Tooltip> : children;
}

interface DropdownProps extends MenuProps {
  button: ReactElement<{ onClick?: MouseEventHandler; "aria-haspopup"?: "menu" }>;
  /** Words that show when one points at the button. */
  tip?: string;
  children: ReactNode;
}

/** A button with a menu. Pressed before the menu is there, it is open as soon as it is. */
export function Dropdown({ button, tip, children, ...menu }: DropdownProps) {
  const painted = usePainted();
  const [pressed, setPressed] = useState(false);
  if (!painted && !pressed) return cloneElement(button, { "aria-haspopup": "menu", onClick: () => setPressed(true) });
  return (
    <Menu {...menu} defaultOpened={pressed}>
      <Menu.Target>{tip ? <Tooltip label={tip}>{button}</Tooltip> : button}</Menu.Target>
      <Menu.Dropdown>{children}</Menu.Dropdown>
    </Menu>
  );
}
