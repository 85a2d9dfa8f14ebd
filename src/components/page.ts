import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type { IView } from './lazy';
import { LazyWidget } from './lazy';

/** A page in the main area, which knows the arguments that open it again. */
export class Page extends MainAreaWidget<LazyWidget> {
  constructor(
    content: LazyWidget,
    readonly args: ReadonlyJSONObject
  ) {
    super({ content });
  }
}

interface IPageOptions {
  /** One page per id. */
  id: string;
  /** The arguments of the command that opens it. */
  args: ReadonlyJSONObject;
  title: string;
  caption?: string;
  icon: LabIcon;
  load(): Promise<IView>;
}

/** The main area pages of one kind; they come back after a reload. */
export class Pages {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly trans: TranslationBundle,
    restorer: ILayoutRestorer | null,
    /** The command that opens such a page. */
    command: string
  ) {
    this.tracker = new WidgetTracker<Page>({
      namespace: command.replace(':', '-')
    });
    void restorer?.restore(this.tracker, {
      command,
      args: page => page.args,
      name: page => page.id
    });
  }

  readonly tracker: WidgetTracker<Page>;

  /** Show the page with this id, made where there is none. */
  open(options: IPageOptions): Page {
    let page = this.tracker.find(known => known.id === options.id);
    if (!page) {
      const content = new LazyWidget(options.load, this.trans);
      content.addClass('jp-mlops-Page');
      page = new Page(content, options.args);
      page.id = options.id;
      page.title.label = options.title;
      page.title.caption = options.caption ?? options.title;
      page.title.icon = options.icon;
      page.title.closable = true;
      this.app.shell.add(page, 'main');
      if (!page.parent) {
        // Notebook 7 has room for its notebook alone there.
        this.app.shell.add(page, 'down');
      }
      void this.tracker.add(page);
    }
    this.app.shell.activateById(page.id);
    return page;
  }
}
