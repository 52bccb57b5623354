/** In pixels. */
const LINE_HEIGHT = 19;
const CHARACTER_WIDTH = 7.8;
const MARGIN = 16;
/** Columns; longer lines are cut, as a narrow terminal would wrap them. */
const WIDEST = 112;
const COLORS: Record<number, string> = { 31: "#ff9b9b", 32: "#7fd99a", 33: "#f0c060", 36: "#79d8e8" };

interface Style {
  color: string | null;
  bold: boolean;
  dim: boolean;
}

/** Text with the terminal's colours (SGR: colours, bold, dim) as a picture. */
export function terminalSvg(text: string): string {
  const lines = text.replaceAll("\t", "  ").split("\n");
  const width = Math.ceil(WIDEST * CHARACTER_WIDTH + 2 * MARGIN);
  const height = lines.length * LINE_HEIGHT + 2 * MARGIN;
  let style: Style = { color: null, bold: false, dim: false };
  const rows = lines.map((line, i) => {
    let spans = "";
    let room = WIDEST;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it is about
    for (const [, codes, part = ""] of line.matchAll(/(?:\u001b\[([\d;]*)m)|([^\u001b]+)/g)) {
      if (codes !== undefined) style = codes.split(";").map(Number).reduce(changed, style);
      const shown = part.slice(0, room);
      room -= shown.length;
      if (shown !== "") spans += span(shown, style);
    }
    return `<text x="${MARGIN}" y="${MARGIN + (i + 0.75) * LINE_HEIGHT}" xml:space="preserve">${spans}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" fill="#e6e9ed" role="img" aria-label="A terminal">
<rect width="${width}" height="${height}" rx="8" fill="#14181d"/>
${rows.join("\n")}
</svg>
`;
}

function changed(style: Style, code: number): Style {
  if (code === 0) return { color: null, bold: false, dim: false };
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  if (code === 39) return { ...style, color: null };
  return { ...style, color: COLORS[code] ?? style.color };
}

function span(text: string, { color, bold, dim }: Style): string {
  const attributes = [
    color === null ? "" : ` fill="${color}"`,
    bold ? ' font-weight="700"' : "",
    dim ? ' fill-opacity="0.6"' : "",
  ].join("");
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<tspan${attributes}>${escaped}</tspan>`;
}
