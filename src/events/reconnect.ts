import type { IDisposable } from '@lumino/disposable';

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;

/**
 * Notices when the Jupyter server is back after it was gone.
 *
 * Works only during an outage, which Lab's own managers report
 * (`connectionFailure`); then it asks with growing pauses until an answer comes.
 */
export class Reconnector implements IDisposable {
  constructor(
    private readonly ask: () => Promise<unknown>,
    private readonly onBack: () => void
  ) {}

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    clearTimeout(this._timer);
  }

  /** The connection failed. */
  readonly connectionFailed = (): void => {
    if (this._timer === undefined && !this._disposed) {
      this.schedule(FIRST_WAIT_MS);
    }
  };

  private schedule(wait: number): void {
    this._timer = setTimeout(() => {
      void this.attempt(wait);
    }, wait);
  }

  private async attempt(wait: number): Promise<void> {
    try {
      await this.ask();
    } catch {
      // Still gone: that is what the next attempt is for.
      if (!this._disposed) {
        this.schedule(Math.min(wait * 2, LONGEST_WAIT_MS));
      }
      return;
    }
    this._timer = undefined;
    if (!this._disposed) {
      this.onBack();
    }
  }

  private _disposed = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
