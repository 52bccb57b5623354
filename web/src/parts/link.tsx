import type { ComponentChildren } from "preact";
import { type Address, go, hrefOf } from "../address.ts";

/** A link within the page: opens in place, or in a new tab where the browser is asked to. */
export function Link({
  to,
  children,
  ...rest
}: {
  to: Partial<Address>;
  children: ComponentChildren;
  class?: string;
  "aria-current"?: "page";
}) {
  const follow = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={hrefOf(to)} onClick={follow} {...rest}>
      {children}
    </a>
  );
}
