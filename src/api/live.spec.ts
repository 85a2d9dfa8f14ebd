import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LiveQuery } from '.';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('LiveQuery', () => {
  it('asks nothing until somebody looks', async () => {
    const load = vi.fn(async () => 1);
    const query = new LiveQuery(load);
    query.invalidate();
    await vi.advanceTimersByTimeAsync(1000);
    expect(load).not.toHaveBeenCalled();
    query.setActive(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(query.data).toBe(1);
  });

  it('answers many changes of a moment with one request', async () => {
    const load = vi.fn(async () => 1);
    const query = new LiveQuery(load);
    query.setActive(true);
    await vi.advanceTimersByTimeAsync(0);
    for (let i = 0; i < 50; i++) {
      query.invalidate();
    }
    await vi.advanceTimersByTimeAsync(1000);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('loads again when a change comes while it loads', async () => {
    let value = 0;
    const load = vi.fn(async () => {
      value += 1;
      await new Promise(resolve => setTimeout(resolve, 500));
      return value;
    });
    const query = new LiveQuery(load);
    query.setActive(true);
    await vi.advanceTimersByTimeAsync(100);
    query.invalidate();
    await vi.advanceTimersByTimeAsync(2000);
    expect(load).toHaveBeenCalledTimes(2);
    expect(query.data).toBe(2);
  });

  it('remembers changes that came while nobody looked', async () => {
    const load = vi.fn(async () => 1);
    const query = new LiveQuery(load);
    query.setActive(true);
    await vi.advanceTimersByTimeAsync(0);
    query.setActive(false);
    query.invalidate();
    await vi.advanceTimersByTimeAsync(1000);
    expect(load).toHaveBeenCalledTimes(1);
    query.setActive(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('never shows an older answer over a newer one', async () => {
    const answers: ((value: string) => void)[] = [];
    const query = new LiveQuery(
      () => new Promise<string>(resolve => answers.push(resolve))
    );
    const first = query.refresh();
    const second = query.refresh();
    answers[1]?.('new');
    await second;
    answers[0]?.('old');
    await first;
    expect(query.data).toBe('new');
  });

  it('keeps the last answer beside an error', async () => {
    let fail = false;
    const query = new LiveQuery(async () => {
      if (fail) {
        throw new Error('gone');
      }
      return 1;
    });
    await query.refresh();
    fail = true;
    await query.refresh();
    expect(query.data).toBe(1);
    expect(query.error?.what).toBe('gone');
  });

  it('does nothing once it is disposed of', async () => {
    const load = vi.fn(async () => 1);
    const query = new LiveQuery(load);
    query.dispose();
    query.setActive(true);
    query.invalidate();
    await query.refresh();
    expect(load).not.toHaveBeenCalled();
  });
});
