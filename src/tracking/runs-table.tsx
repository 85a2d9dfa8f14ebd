import { useMemo } from 'react';
import {
  Duration,
  RelativeTime,
  StatusBadge,
  useServices,
  useTrans
} from '../components';
import { CommandIDs } from '../commands';
import { formatMetric } from '../components/format';
import type { IColumn } from '../components/table';
import { VirtualTable } from '../components/table';
import type { RunsModel } from './runs-model';
import type { RunSummary } from './types';

/** The runs as a table; in a wide place with more columns. */
export function RunsTable(props: {
  model: RunsModel;
  wide: boolean;
}): JSX.Element {
  const { model, wide } = props;
  const { commands, trans, workspaces } = useServices();
  const columns = useColumns(model, wide);
  return (
    <VirtualTable
      label={trans.__('Runs')}
      columns={columns}
      rows={model.rows}
      rowKey={row => row.id}
      rowName={row => row.name}
      sort={model.sort}
      onSort={sort => model.setSort(sort)}
      onOpen={row => {
        void commands.execute(CommandIDs.openRun, {
          id: row.id,
          name: row.name,
          workspace: workspaces.current?.root ?? ''
        });
      }}
    />
  );
}

function useColumns(model: RunsModel, wide: boolean): IColumn<RunSummary>[] {
  const trans = useTrans();
  const metrics = model.metricColumns;
  const params = model.paramColumns;
  return useMemo(() => {
    const name: IColumn<RunSummary> = {
      id: 'name',
      label: trans.__('Run'),
      width: wide ? 220 : 130,
      sortable: true,
      cell: row => (
        <>
          {!wide && <StatusBadge status={row.status} compact />}
          <span className="jp-mlops-Ellipsis">{row.name}</span>
        </>
      )
    };
    const status: IColumn<RunSummary> = {
      id: 'status',
      label: trans.__('Status'),
      width: 110,
      sortable: true,
      cell: row => <StatusBadge status={row.status} />
    };
    const started: IColumn<RunSummary> = {
      id: 'started_at',
      label: trans.__('Started'),
      width: 90,
      sortable: true,
      cell: row => <RelativeTime at={row.started_at} />
    };
    const duration: IColumn<RunSummary> = {
      id: 'duration',
      label: trans.__('Duration'),
      width: 90,
      numeric: true,
      cell: row => <Duration start={row.started_at} end={row.ended_at} />
    };
    const experiment: IColumn<RunSummary> = {
      id: 'experiment',
      label: trans.__('Experiment'),
      width: 140,
      cell: row => row.experiment
    };
    const notebook: IColumn<RunSummary> = {
      id: 'notebook',
      label: trans.__('Notebook'),
      width: 180,
      cell: row => row.notebook
    };
    const metricColumns = metrics.map((key): IColumn<RunSummary> => ({
      id: `metrics.${key}`,
      label: key,
      width: widthOf(key),
      numeric: true,
      sortable: true,
      cell: row => formatMetric(row.metrics[key])
    }));
    const paramColumns = params.map((key): IColumn<RunSummary> => ({
      id: `params.${key}`,
      label: key,
      width: widthOf(key),
      sortable: true,
      cell: row => row.params[key] ?? ''
    }));
    return wide
      ? [
          name,
          status,
          started,
          duration,
          experiment,
          ...metricColumns,
          ...paramColumns,
          notebook
        ]
      : [name, started, ...metricColumns, ...paramColumns];
    // Arrays made anew at each reading: compared by what is in them.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [trans, wide, metrics.join('\n'), params.join('\n')]);
}

/** Room for a heading and its sort mark, in pixels. */
function widthOf(heading: string): number {
  return Math.max(80, 40 + Math.ceil(heading.length * 7.5));
}
