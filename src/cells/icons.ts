import { LabIcon } from '@jupyterlab/ui-components';

function make(name: string, body: string): LabIcon {
  return new LabIcon({
    name: `jupyter-mlops:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" d="${body}"/></svg>`
  });
}

/** Run, and the triangle that marks what is stale. */
export const runStaleIcon = make(
  'run-stale',
  'M3 4v14l10-7zm14.500 6L24 21.500H11zm-.8 4v3.600h1.600V14zm0 4.600v1.600h1.600v-1.600z'
);

/** Lines of which some stand out. */
export const sliceIcon = make(
  'slice',
  'M3 4h18v2H3zm0 5h12v3H3zm0 5h18v1H3zm0 4h14v3H3z'
);
