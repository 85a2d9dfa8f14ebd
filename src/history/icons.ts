import { LabIcon } from '@jupyterlab/ui-components';

/** Two sheets side by side, of which lines differ. */
export const compareIcon = new LabIcon({
  name: 'jupyter-mlops:compare',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161"><path d="M3 3h8v18H3zm2 2v14h4V5zm8-2h8v18h-8zm2 2v14h4V5zM6 8h2v1.600H6zm0 4h2v1.600H6zm10-2h2v1.600h-2zm0 4h2v1.600h-2z"/></g></svg>'
});

/** A clock whose hand goes back. */
export const goToIcon = new LabIcon({
  name: 'jupyter-mlops:go-to-state',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" d="M13 3a9 9 0 0 0-9 9H1l3.900 3.900L9 12H6a7 7 0 1 1 2.100 4.950l-1.420 1.420A9 9 0 1 0 13 3zm-1 5v5l4.250 2.520.770-1.280-3.520-2.090V8z"/></svg>'
});
