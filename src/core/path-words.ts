/** A folder of translations: what lies below is called by the code of its language. */
const TRANSLATIONS = /^(?:locales?|i18n|l10n|lang|translations?)$/i;
/** `de`, `pt-BR`, `zh_Hant`. */
const LANGUAGE_CODE = /^[a-z]{2}(?:[-_](?:[A-Za-z]{2}|[A-Za-z]{4}))?$/;
const ENGLISH_NAMES = new Intl.DisplayNames(["en"], { type: "language", fallback: "none" });

/** The path with the words that people say for its parts: `src/locales/de.ts` → `src/locales/de.ts German`. */
export function pathInWords(path: string): string {
  return [path, ...languagesOf(path)].join(" ");
}

/**
 * English names of the human languages that folders or files below a folder of translations are called by:
 * `i18n/pt_BR/errors.json` → Brazilian Portuguese. Elsewhere `de` or `is` is just a name.
 */
export function languagesOf(path: string): string[] {
  const segments = path.split("/");
  const below = segments.findIndex((segment) => TRANSLATIONS.test(segment)) + 1;
  if (below === 0) return [];
  return segments.slice(below).flatMap((segment) => {
    const [code = ""] = segment.split(".");
    if (!LANGUAGE_CODE.test(code)) return [];
    return ENGLISH_NAMES.of(code.replace("_", "-")) ?? [];
  });
}
