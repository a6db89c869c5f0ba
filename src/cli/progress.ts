/**
 * The progress bar: one line on a terminal, redrawn in place and wiped when the work is done.
 *
 *   airport_delays  reading the source  ━━━━━━━━━━━━────────────  48 %  1,440,000 of 3,000,000 rows  5.2 M/s  0:01 left
 */
import type { Progress } from '../index.ts';
import { cutText } from './text-width.ts';
import { formatCount } from './text-table.ts';

export interface ProgressState extends Progress {
  readonly label: string;
  /** Since this phase began. */
  readonly elapsedMs: number;
}

const barWidth = 24;

/** The line for a state of the work, at most `width` cells long. */
export function progressLine(state: ProgressState, width: number): string {
  const { rows, rowsTotal, elapsedMs } = state;
  const rate = elapsedMs > 200 ? (rows / elapsedMs) * 1000 : undefined;
  const parts = [state.label, state.phase];
  if (rowsTotal !== undefined && rowsTotal > 0) {
    const share = Math.min(1, rows / rowsTotal);
    const done = Math.round(share * barWidth);
    parts.push(`${'━'.repeat(done)}${'─'.repeat(barWidth - done)}  ${`${Math.floor(share * 100)}`.padStart(3)} %`);
    parts.push(`${formatCount(rows)} of ${formatCount(rowsTotal)} rows`);
  } else {
    parts.push(`${formatCount(rows)} rows`);
  }
  if (rate !== undefined && rate > 0) {
    parts.push(`${formatRate(rate)}/s`);
    if (rowsTotal !== undefined && rowsTotal > rows) parts.push(`${formatLeft((rowsTotal - rows) / rate)} left`);
  }
  return cutText(parts.join('  '), width);
}

function formatRate(rate: number): string {
  if (rate >= 999_500) return `${(rate / 1e6).toPrecision(2)} M`;
  return rate >= 999.5 ? `${Math.round(rate / 1e3)} k` : `${Math.round(rate)}`;
}

function formatLeft(seconds: number): string {
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

export interface ProgressTerminal {
  readonly columns: number;
  write(text: string): void;
}

const redrawMs = 100;

/** A bar on a terminal. `terminal` undefined: there is none, and nothing is drawn. */
export class ProgressBar {
  private phase: string | undefined;
  private phaseStartMs = 0;
  private drawnMs = Number.NEGATIVE_INFINITY;
  private drawn = false;

  constructor(
    private readonly label: string,
    private readonly terminal: ProgressTerminal | undefined,
    private readonly nowMs: () => number,
  ) {}

  /** Takes an event of the work; draws at most ten times a second. */
  update(progress: Progress): void {
    if (this.terminal === undefined) return;
    const nowMs = this.nowMs();
    if (progress.phase !== this.phase) {
      this.phase = progress.phase;
      this.phaseStartMs = nowMs;
    } else if (nowMs - this.drawnMs < redrawMs) return;
    this.drawnMs = nowMs;
    this.drawn = true;
    const state = { ...progress, label: this.label, elapsedMs: nowMs - this.phaseStartMs };
    this.terminal.write(`\r\x1b[2K${progressLine(state, this.terminal.columns - 1)}`);
  }

  /** Wipes the line. */
  end(): void {
    if (this.drawn) this.terminal?.write('\r\x1b[2K');
    this.drawn = false;
  }
}
