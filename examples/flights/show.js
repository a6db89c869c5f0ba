/** How the demo prints: small aligned tables, counts and times for a person. */

/** Prints rows below their heads; all but the first column, and those named, to the right. */
export function table(head, rows, left = []) {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i].length)));
  const isLeft = (i) => i === 0 || head[i] === '' || left.includes(head[i]);
  const line = (cells) => `  ${cells.map((cell, i) => (isLeft(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')}`.trimEnd();
  console.log(line(head));
  console.log(`  ${widths.map((width) => '─'.repeat(width)).join('  ')}`);
  for (const row of rows) console.log(line(row));
}

export function count(number) {
  return number.toLocaleString('en-US');
}

export function time(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
