import { afterEach, describe, expect, it, vi } from 'vitest';
import { Reconnector } from './reconnect';
import { ChangeStream, parseChange, SCHEMA_ID } from './stream';
import type { IChange } from './tokens';

const EVENT = {
  schema_id: SCHEMA_ID,
  workspace: 'w',
  topic: 'run',
  key: '1',
  action: 'created',
  seq: 1,
  data: { status: 'running' }
};

async function* emissions(...events: unknown[]) {
  yield* events;
}

async function collect(...events: unknown[]) {
  const changes: IChange[] = [];
  let missed = 0;
  const stream = new ChangeStream(emissions(...events));
  stream.changed.connect((_, change) => changes.push(change));
  stream.missed.connect(() => (missed += 1));
  await new Promise(resolve => setTimeout(resolve));
  return { changes, missed, stream };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('ChangeStream', () => {
  it('hands on our changes and nothing else', async () => {
    const { changes } = await collect(
      { schema_id: 'https://events.jupyter.org/other', topic: 'run', key: '9' },
      null,
      'text',
      EVENT
    );
    expect(changes).toEqual([
      {
        workspace: 'w',
        topic: 'run',
        key: '1',
        action: 'created',
        seq: 1,
        data: { status: 'running' }
      }
    ]);
  });

  it('tells that changes were missed when the sequence has a gap', async () => {
    const without = await collect(EVENT, { ...EVENT, seq: 2 });
    expect(without.missed).toBe(0);
    const withGap = await collect(EVENT, { ...EVENT, seq: 5 });
    expect(withGap.missed).toBe(1);
  });

  it('counts each workspace on its own', async () => {
    const { missed } = await collect(EVENT, {
      ...EVENT,
      workspace: 'other',
      seq: 70
    });
    expect(missed).toBe(0);
  });

  it('tells that changes were missed when the network is back', async () => {
    const { stream } = await collect();
    const slot = vi.fn();
    stream.missed.connect(slot);
    window.dispatchEvent(new Event('online'));
    expect(slot).toHaveBeenCalledOnce();
    stream.dispose();
    window.dispatchEvent(new Event('online'));
    expect(slot).toHaveBeenCalledOnce();
  });
});

describe('parseChange', () => {
  it('refuses a change without a topic', () => {
    expect(parseChange({ schema_id: SCHEMA_ID, key: '1' })).toBeNull();
  });
});

describe('Reconnector', () => {
  it('asks with growing pauses during an outage only, and tells once', async () => {
    vi.useFakeTimers();
    let up = false;
    const ask = vi.fn(async () => {
      if (!up) {
        throw new Error('down');
      }
    });
    const back = vi.fn();
    const reconnector = new Reconnector(ask, back);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(ask).not.toHaveBeenCalled();

    reconnector.connectionFailed();
    reconnector.connectionFailed();
    await vi.advanceTimersByTimeAsync(3100);
    expect(ask).toHaveBeenCalledTimes(2);

    up = true;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(back).toHaveBeenCalledOnce();
    const asked = ask.mock.calls.length;
    await vi.advanceTimersByTimeAsync(100_000);
    expect(ask).toHaveBeenCalledTimes(asked);
  });
});
