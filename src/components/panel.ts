import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { Widget } from '@lumino/widgets';
import { describeArgs } from '../commands';

interface IPanelOptions {
  id: string;
  icon: LabIcon;
  /** What it is called, on hover and when it is read out. */
  caption: string;
  /** Left out: left. */
  area?: 'left' | 'right';
  rank: number;
  /** The command that shows it; left out: there is one of another kind. */
  show?: { command: string; label: string; caption: string };
}

/** Put a widget into a side bar, where it comes back after a reload. */
export function addPanel<T extends Widget>(
  app: JupyterFrontEnd,
  restorer: ILayoutRestorer | null,
  panel: T,
  options: IPanelOptions
): T {
  const { id, icon, caption, area, rank, show } = options;
  panel.id = id;
  panel.title.icon = icon;
  panel.title.caption = caption;
  panel.node.setAttribute('role', 'region');
  panel.node.setAttribute('aria-label', caption);
  app.shell.add(panel, area ?? 'left', { rank, type: 'MLOps' });
  restorer?.add(panel, id);
  if (show) {
    app.commands.addCommand(show.command, {
      label: show.label,
      caption: show.caption,
      icon,
      describedBy: { args: describeArgs() },
      execute: () => app.shell.activateById(id)
    });
  }
  return panel;
}
