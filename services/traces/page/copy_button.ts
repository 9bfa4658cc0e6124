import { button } from "./dom.ts";

const SHOWN_MS = 1_500;

/** Copies `text`, and says on itself whether that went well. */
export function copyButton(label: string, text: string): HTMLButtonElement {
  const element = button(label, async () => {
    element.textContent = await copy(text)
      ? "Copied"
      : "Cannot copy: the browser does not allow it";
    setTimeout(() => element.textContent = label, SHOWN_MS);
  });
  return element;
}

/** Browsers give the clipboard to pages of this machine and to HTTPS only. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
