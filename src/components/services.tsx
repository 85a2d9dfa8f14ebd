import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { ISignal } from '@lumino/signaling';
import { createContext, useContext } from 'react';
import type { IChanges } from '../events/tokens';
import type { IMlopsSettings } from '../settings/tokens';
import type { IWorkspaceModel } from '../workspace/tokens';

/** What every view of ours may use. Handed in by the plugins, none of it global. */
export interface IServices {
  readonly trans: TranslationBundle;
  readonly commands: CommandRegistry;
  readonly workspaces: IWorkspaceModel;
  readonly changes: IChanges;
  readonly settings: IMlopsSettings;
  /** Emitted when a file was saved, made, renamed or deleted in Lab. */
  readonly fileChanged: ISignal<unknown, Contents.IChangedArgs>;
  /** Emitted when the theme changed; null: this application has one theme. */
  readonly themeChanged: ISignal<unknown, unknown> | null;
}

const Context = createContext<IServices | null>(null);

export const ServicesProvider = Context.Provider;

export function useServices(): IServices {
  const services = useContext(Context);
  if (!services) {
    throw new Error('This component needs a ServicesProvider above it.');
  }
  return services;
}

export function useTrans(): TranslationBundle {
  return useServices().trans;
}
