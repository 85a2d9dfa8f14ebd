import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { pipelinesIcon } from '../components/icons';
import type { ActivityModel } from './activity';

/** The item of the status bar: how many pipeline runs are under way. */
export class ActivityItem extends ReactWidget {
  constructor(
    private readonly model: ActivityModel,
    private readonly trans: TranslationBundle,
    private readonly onClick: () => void
  ) {
    super();
    this.addClass('jp-mlops-StatusItem');
    model.changed.connect(this.update, this);
  }

  override dispose(): void {
    this.model.changed.disconnect(this.update, this);
    super.dispose();
  }

  override render(): JSX.Element {
    const { count } = this.model;
    const text = this.trans._n('%1 pipeline run', '%1 pipeline runs', count);
    return (
      <button
        type="button"
        title={this.trans.__('Running now. Show the pipelines')}
        onClick={this.onClick}
      >
        <pipelinesIcon.react tag="span" className="jp-mlops-Icon" />
        <span role="status">{text}</span>
      </button>
    );
  }
}
