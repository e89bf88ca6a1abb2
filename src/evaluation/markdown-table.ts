// Tables in Markdown that are legible as plain text too.

/** @param rows the head, then the rows; the first column is a name, the others are figures that end at one line */
export function markdownTable(title: string, rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => (i === 0 ? `${'-'.repeat(width + 2)}` : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [`### ${title}`, '', line(rows[0]!), rule, ...rows.slice(1).map(line)].join('\n')
}

/** A text made safe for a cell of a table. */
export function tableCell(text: string): string {
  return text.replaceAll('|', '\\|')
}
