/** Arrow keys walk through the buttons of `list`; Tab goes past all but one. */
export function roving(list: HTMLElement): void {
  const buttons = [...list.querySelectorAll('button')];
  const [first] = buttons;
  if (first) first.tabIndex = 0;
  list.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = buttons.findIndex((button) => button === document.activeElement);
    const next = step === undefined || at < 0 ? undefined : buttons[at + step];
    if (!next) return;
    event.preventDefault();
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  };
}
