import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join, posix, relative } from "node:path";
import { Marked } from "marked";
import type { Plugin, Rolldown } from "vite";

/** Pages in the order in which one reads them. A page that is not named here comes last. */
const SECTIONS: readonly [string, readonly string[]][] = [
  ["Start", ["quick-start", "cli", "api", "search", "answers", "mcp", "faq"]],
  ["Bring code in", ["uploads", "sync", "chunking"]],
  [
    "Run it",
    [
      "deploy",
      "configuration",
      "scale",
      "backup",
      "backup-format",
      "observability",
      "runbook",
      "incident-response",
    ],
  ],
  ["Trust it", ["security", "compliance", "licences", "dependencies"]],
  ["How it is built", ["architecture", "storage", "performance", "evaluation"]],
];

export interface GuidePage {
  /** As in `/docs/<name>`: `search`, `decisions-0002-routes-as-data`. */
  name: string;
  title: string;
  /** The Markdown file, below the folder of documents. */
  file: string;
  section: string;
}

/** The pages of the folder, section by section. */
export function guidePages(folder: string): GuidePage[] {
  const pages = globSync("**/*.md", { cwd: folder }).map((file): GuidePage => {
    const slashed = file.replaceAll("\\", "/");
    const name = nameOf(slashed);
    const title = /^# (.+)$/m.exec(readFileSync(join(folder, file), "utf8"))?.[1] ?? name;
    const named = SECTIONS.find(([, names]) => names.includes(name))?.[0];
    const section = named ?? (slashed.startsWith("decisions/") ? "Decisions" : "More");
    return { name, title: title.replaceAll("`", ""), file: slashed, section };
  });
  const order = SECTIONS.flatMap(([, names]) => names);
  const place = ({ name }: GuidePage) => (order.includes(name) ? order.indexOf(name) : order.length);
  return pages.sort((a, b) => place(a) - place(b) || (a.name < b.name ? -1 : 1));
}

/** `decisions/0002-routes-as-data.md` → `decisions-0002-routes-as-data`; a README stands for its folder. */
function nameOf(file: string): string {
  return file
    .replace(/\/README\.md$/, "")
    .replace(/\.md$/, "")
    .replaceAll("/", "-");
}

/**
 * The body of a page. Links to other pages lead to them; links to files that the deployment does not serve become text.
 * @param pictures told of each picture that the page shows, below the folder of documents.
 */
export function renderPage(
  markdown: string,
  page: GuidePage,
  pages: readonly GuidePage[],
  pictures: Set<string>,
) {
  const target = (href: string) => posix.normalize(posix.join(posix.dirname(page.file), href));
  const slugs = new Map<string, number>();
  const marked = new Marked({
    gfm: true,
    renderer: {
      heading({ tokens, depth }) {
        const text = this.parser.parseInline(tokens);
        return `<h${depth} id="${slugOf(text, slugs)}">${text}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens);
        if (/^(https?:|#)/.test(href)) return `<a href="${escaped(href)}">${text}</a>`;
        const [path = "", fragment] = href.split("#");
        const to = pages.find(({ file }) => file === target(path));
        if (to === undefined)
          return path === "../README.md" ? `<a href="/docs/quick-start">${text}</a>` : text;
        return `<a href="/docs/${to.name}${fragment === undefined ? "" : `#${fragment}`}">${text}</a>`;
      },
      image({ href, text }) {
        pictures.add(target(href));
        return `<img src="/assets/${pictureName(target(href))}" alt="${escaped(text)}" loading="lazy">`;
      },
      tablecell({ tokens, header }) {
        const text = this.parser.parseInline(tokens);
        const tag = header && text !== "" ? "th" : "td";
        return `<${tag}>${text}</${tag}>\n`;
      },
      code({ text }) {
        return `<pre tabindex="0"><code>${escaped(text)}</code></pre>\n`;
      },
    },
  });
  return marked.parse(markdown, { async: false });
}

/** As GitHub makes anchors, so that links work in both places. */
function slugOf(html: string, seen: Map<string, number>): string {
  const plain = html
    .replaceAll(/<[^>]+>|&\w+;/g, "")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-");
  const times = seen.get(plain) ?? 0;
  seen.set(plain, times + 1);
  return times === 0 ? plain : `${plain}-${times}`;
}

export function contents(pages: readonly GuidePage[], current: string | null): string {
  const sections = [...Map.groupBy(pages, ({ section }) => section)].map(([section, own]) => {
    const items = own.map(
      ({ name, title }) =>
        `<li><a href="/docs/${name}"${name === current ? ' aria-current="page"' : ""}>${escaped(title)}</a></li>`,
    );
    return `<h2>${section}</h2><ul>${items.join("")}</ul>`;
  });
  return sections.join("");
}

export function guideHtml(
  page: GuidePage,
  pages: readonly GuidePage[],
  body: string,
  styles: readonly string[],
) {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>${escaped(page.title)} – DevFlow</title>
    <link rel="icon" href="data:,">
${styles.map((file) => `    <link rel="stylesheet" href="/${file}">`).join("\n")}
  </head>
  <body>
    <a class="skip" href="#content">Skip to content</a>
    <header class="bar">
      <a class="brand" href="/">DevFlow</a>
      <nav aria-label="Pages"><a href="/docs">API reference</a> <a href="/docs/quick-start">Guide</a> <a href="/">Search</a></nav>
    </header>
    <div class="handbook">
      <nav class="contents" aria-label="Contents">${contents(pages, page.name)}</nav>
      <main id="content" class="text-page" tabindex="-1">
${body}
      </main>
    </div>
  </body>
</html>
`;
}

/** Writes the guide beside the reference, as plain HTML without a script: `dist/docs/<name>.html`. */
export function guidePlugin(folder: string): Plugin {
  return {
    name: "guide",
    enforce: "post",
    transformIndexHtml: (html) => html.replace("<!-- guide -->", contents(guidePages(folder), null)),
    generateBundle(_, bundle) {
      const pages = guidePages(folder);
      const styles = stylesOf("docs", bundle);
      if (styles.length === 0) this.error("the reference has no style sheet, which the guide shares");
      const pictures = new Set<string>();
      for (const page of pages) {
        const body = renderPage(readFileSync(join(folder, page.file), "utf8"), page, pages, pictures);
        this.emitFile({
          type: "asset",
          fileName: `docs/${page.name}.html`,
          source: guideHtml(page, pages, body, styles),
        });
      }
      for (const picture of pictures) {
        const file = join(folder, picture);
        if (!existsSync(file)) this.error(`${relative(dirname(folder), file)} is shown, and is not there`);
        this.emitFile({
          type: "asset",
          fileName: `assets/${pictureName(picture)}`,
          source: readFileSync(file),
        });
      }
    },
  };
}

/** Style sheets of an entry and of what it imports, those of the imports first. */
function stylesOf(entry: string, bundle: Rolldown.OutputBundle): string[] {
  const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
  const found = new Set<string>();
  const visit = (chunk: Rolldown.OutputChunk | undefined) => {
    if (chunk === undefined) return;
    for (const file of chunk.imports) visit(chunks.find(({ fileName }) => fileName === file));
    const { viteMetadata } = chunk as { viteMetadata?: { importedCss: Set<string> } };
    for (const file of viteMetadata?.importedCss ?? []) found.add(file);
  };
  visit(chunks.find(({ isEntry, name }) => isEntry && name === entry));
  return [...found];
}

const pictureName = (picture: string) => `guide-${basename(picture)}`;

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
