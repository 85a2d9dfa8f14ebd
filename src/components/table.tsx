import type { ColumnDef, RowData } from '@tanstack/react-table';
import {
  flexRender,
  getCoreRowModel,
  useReactTable
} from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useTrans } from './services';

const ROW_HEIGHT = 28;

/** A column of a {@link VirtualTable}. */
export interface IColumn<R> {
  /** Also what is sorted by. */
  readonly id: string;
  readonly label: string;
  /** Pixels. */
  readonly width: number;
  readonly numeric?: boolean;
  readonly sortable?: boolean;
  cell(row: R): React.ReactNode;
}

export interface ISort {
  readonly id: string;
  readonly descending: boolean;
}

interface IProps<R> {
  label: string;
  columns: readonly IColumn<R>[];
  rows: readonly R[];
  rowKey(row: R): string;
  /** The name of a row, on the button that opens it; in the first column. */
  rowName(row: R): string;
  onOpen(row: R): void;
  sort: ISort;
  onSort(sort: ISort): void;
}

/**
 * A table that draws only the rows in sight, however many there are.
 *
 * A real `<table>`. One row at a time is in the tab order; the arrow keys, Home
 * and End move between rows, Enter opens.
 */
export function VirtualTable<R extends RowData>(props: IProps<R>): JSX.Element {
  const { rows, columns, onOpen, sort, onSort } = props;
  const trans = useTrans();
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const wantsFocus = useRef(false);

  const definitions = useMemo(
    () =>
      columns.map((column): ColumnDef<R> => ({
        id: column.id,
        header: column.label,
        size: column.width,
        cell: ({ row }) => column.cell(row.original)
      })),
    [columns]
  );
  const table = useReactTable({
    data: rows as R[],
    columns: definitions,
    getCoreRowModel: getCoreRowModel(),
    getRowId: row => props.rowKey(row),
    manualSorting: true
  });
  const model = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: model.length,
    estimateSize: () => ROW_HEIGHT,
    getScrollElement: () => scroller.current,
    overscan: 8
  });
  const items = virtual.getVirtualItems();
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items[items.length - 1]?.end ?? 0);
  const current = Math.min(active, Math.max(0, model.length - 1));

  useEffect(() => {
    if (wantsFocus.current) {
      wantsFocus.current = false;
      scroller.current
        ?.querySelector<HTMLElement>(`[data-index="${current}"] button`)
        ?.focus();
    }
  });

  const onKeyDown = (event: React.KeyboardEvent) => {
    if (!(event.target as HTMLElement).closest('tbody')) {
      return;
    }
    const last = model.length - 1;
    const target = {
      ArrowDown: Math.min(current + 1, last),
      ArrowUp: Math.max(current - 1, 0),
      Home: 0,
      End: last
    }[event.key];
    if (target !== undefined) {
      event.preventDefault();
      wantsFocus.current = true;
      setActive(target);
      virtual.scrollToIndex(target);
    }
  };

  return (
    <div className="jp-mlops-Table" ref={scroller} onKeyDown={onKeyDown}>
      <table
        aria-label={props.label}
        aria-rowcount={model.length + 1}
        style={{ width: table.getTotalSize() }}
      >
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(column => (
              <th
                key={column.id}
                scope="col"
                style={{ width: column.width }}
                data-numeric={column.numeric || undefined}
                aria-sort={ariaSort(column, sort)}
              >
                {column.sortable ? (
                  <button
                    type="button"
                    title={trans.__('Sort by %1', column.label)}
                    onClick={() =>
                      onSort({
                        id: column.id,
                        descending:
                          sort.id === column.id ? !sort.descending : true
                      })
                    }
                  >
                    {column.label}
                    {sort.id === column.id && (
                      <span aria-hidden="true">
                        {sort.descending ? ' ▾' : ' ▴'}
                      </span>
                    )}
                  </button>
                ) : (
                  column.label
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {above > 0 && <tr aria-hidden="true" style={{ height: above }} />}
          {items.map(item => {
            const row = model[item.index];
            return (
              row && (
                <tr
                  key={row.id}
                  data-index={item.index}
                  aria-rowindex={item.index + 2}
                  style={{ height: ROW_HEIGHT }}
                  onClick={() => {
                    setActive(item.index);
                    onOpen(row.original);
                  }}
                >
                  {row.getVisibleCells().map((cell, index) => (
                    <td
                      key={cell.id}
                      data-numeric={columns[index]?.numeric || undefined}
                    >
                      {index === 0 ? (
                        <button
                          type="button"
                          className="jp-mlops-Table-open"
                          tabIndex={item.index === current ? 0 : -1}
                          title={props.rowName(row.original)}
                          onFocus={() => setActive(item.index)}
                        >
                          {flexRender(
                            cell.column.columnDef.cell,
                            cell.getContext()
                          )}
                        </button>
                      ) : (
                        flexRender(
                          cell.column.columnDef.cell,
                          cell.getContext()
                        )
                      )}
                    </td>
                  ))}
                </tr>
              )
            );
          })}
          {below > 0 && <tr aria-hidden="true" style={{ height: below }} />}
        </tbody>
      </table>
    </div>
  );
}

function ariaSort<R>(
  column: IColumn<R>,
  sort: ISort
): 'ascending' | 'descending' | 'none' | undefined {
  if (!column.sortable) {
    return undefined;
  }
  if (sort.id !== column.id) {
    return 'none';
  }
  return sort.descending ? 'descending' : 'ascending';
}
