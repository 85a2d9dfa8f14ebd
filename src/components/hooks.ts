import type { ISignal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';

/** Something that announces its changes. */
export interface IChangeable {
  readonly changed: ISignal<unknown, unknown>;
}

/** Render again whenever one of these changes. */
export function useChanged(...sources: (IChangeable | null)[]): void {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const slot = () => again();
    for (const source of sources) {
      source?.changed.connect(slot);
    }
    // What changed between the rendering and this effect would go unseen.
    again();
    return () => {
      for (const source of sources) {
        source?.changed.disconnect(slot);
      }
    };
    // The sources are the dependencies.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, sources);
}

/** Render again every `period` ms while `on`; for clocks on the screen only. */
export function useTick(period: number, on: boolean): void {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    if (!on) {
      return;
    }
    const timer = setInterval(again, period);
    return () => clearInterval(timer);
  }, [period, on]);
}
