import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { IMlopsSettings } from './tokens';

/** {@link IMlopsSettings} over Lab's registry; works with the defaults until (or without) it. */
export class MlopsSettings implements IMlopsSettings {
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get pageSize(): number {
    return this._pageSize;
  }

  get metrics(): readonly string[] {
    return this._metrics;
  }

  get params(): readonly string[] {
    return this._params;
  }

  get showMarks(): boolean {
    return this._showMarks;
  }

  get showStatus(): boolean {
    return this._showStatus;
  }

  async setColumns(
    metrics: readonly string[],
    params: readonly string[]
  ): Promise<void> {
    this._metrics = metrics;
    this._params = params;
    this._changed.emit();
    await this._settings?.set('metrics', [...metrics]);
    await this._settings?.set('params', [...params]);
  }

  /** Take the values of the registry from now on. */
  connect(settings: ISettingRegistry.ISettings): void {
    this._settings = settings;
    settings.changed.connect(this.read, this);
    this.read(settings);
  }

  private read(settings: ISettingRegistry.ISettings): void {
    const value = settings.composite;
    this._pageSize = Number(value.pageSize ?? 50);
    this._metrics = (value.metrics as string[] | undefined) ?? [];
    this._params = (value.params as string[] | undefined) ?? [];
    this._showMarks = value.showMarks !== false;
    this._showStatus = value.showStatus !== false;
    this._changed.emit();
  }

  private _changed = new Signal<this, void>(this);
  private _metrics: readonly string[] = [];
  private _pageSize = 50;
  private _params: readonly string[] = [];
  private _settings: ISettingRegistry.ISettings | null = null;
  private _showMarks = true;
  private _showStatus = true;
}
