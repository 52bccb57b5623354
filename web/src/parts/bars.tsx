/** A bar chart in SVG, with the numbers in a table beside it for who does not see it. */
export function Bars({
  label,
  rows,
  format,
}: {
  label: string;
  rows: readonly { name: string; value: number }[];
  format: (value: number) => string;
}) {
  const most = Math.max(1, ...rows.map(({ value }) => value));
  const width = 100 / Math.max(1, rows.length);
  return (
    <figure class="bars">
      <figcaption>{label}</figcaption>
      <svg viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
        {rows.map(({ name, value }, i) => (
          <rect
            key={name}
            x={i * width + width * 0.1}
            width={width * 0.8}
            y={30 - (value / most) * 29}
            height={(value / most) * 29}
          >
            <title>{`${name}: ${format(value)}`}</title>
          </rect>
        ))}
      </svg>
      <details>
        <summary>Numbers</summary>
        <table>
          <tbody>
            {rows.map(({ name, value }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{format(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
