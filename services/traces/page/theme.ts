/** Dark or light: as the system has it, until the reader chooses. */

import { button } from "./dom.ts";

const KEY = "baton-theme";
const THEMES = ["system", "dark", "light"] as const;
type Theme = typeof THEMES[number];

/** Goes through the themes; remembers the choice. */
export function themeButton(): HTMLButtonElement {
  let theme = storedTheme();
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    element.textContent = `Theme: ${theme}`;
  };
  const element = button("", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
    apply();
    storage()?.setItem(KEY, theme);
  });
  element.classList.add("theme");
  apply();
  return element;
}

function storedTheme(): Theme {
  const stored = storage()?.getItem(KEY);
  return THEMES.find((theme) => theme === stored) ?? "system";
}

/** Null where the browser lets pages keep nothing. */
function storage(): Storage | null {
  let kept: Storage | null = null;
  try {
    kept = localStorage;
  } catch {
    // The system's theme it is, at each visit.
  }
  return kept;
}
