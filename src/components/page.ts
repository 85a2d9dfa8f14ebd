import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import { describeArgs, rootArg, textArg } from '../commands';
import type { IWorkspace } from '../workspace/tokens';
import type { IView } from './lazy';
import { LazyWidget } from './lazy';
import type { IServices } from './services';

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

/** So much of an id stands for a name. */
const SHORT = 8;

interface IThingOptions<P> {
  /** Of the command. */
  label: string;
  caption: string;
  icon: LabIcon;
  /**
   * What the arguments mean. With an `id` that one says which thing it is, and
   * the name is for the tab alone; without, the name says it.
   */
  args: { id?: string; name: string };
  /** What the ids of the pages begin with. */
  prefix: string;
  /** The caption of the tab. */
  describe(name: string): string;
  /** Fetch the code of the page: an `import()` in the plug-in, so that it is a chunk of its own. */
  load(): Promise<P>;
  view(page: P, workspace: IWorkspace, key: string): IView;
}

/** Add the command that opens the page of a thing in a workspace. */
export function addPageCommand<P>(
  app: JupyterFrontEnd,
  services: IServices,
  restorer: ILayoutRestorer | null,
  command: string,
  options: IThingOptions<P>
): Pages {
  const { trans, workspaces } = services;
  const { label, caption, icon, prefix } = options;
  const key = options.args.id === undefined ? 'name' : 'id';
  const pages = new Pages(app, trans, restorer, command);
  app.commands.addCommand(command, {
    label,
    caption,
    icon,
    describedBy: {
      args: describeArgs(
        { ...options.args, workspace: trans.__('Root of its workspace') },
        [key]
      )
    },
    isEnabled: args => textArg(args, key) !== '',
    execute: args => {
      const thing = textArg(args, key);
      const root = rootArg(args, workspaces);
      const name = textArg(args, 'name') || thing.slice(0, SHORT);
      pages.open({
        id: `${prefix}-${root}-${thing}`,
        args: { [key]: thing, name, workspace: root },
        title: name,
        caption: options.describe(name),
        icon,
        load: async () => {
          const [workspace, page] = await Promise.all([
            workspaces.open(root),
            options.load()
          ]);
          return options.view(page, workspace, thing);
        }
      });
    }
  });
  return pages;
}
