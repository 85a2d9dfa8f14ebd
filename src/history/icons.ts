import { LabIcon } from '@jupyterlab/ui-components';

/** Two sheets side by side, of which lines differ. */
export const compareIcon = new LabIcon({
  name: 'jupyter-mlops:compare',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161"><path d="M3 3h8v18H3zm2 2v14h4V5zm8-2h8v18h-8zm2 2v14h4V5zM6 8h2v1.600H6zm0 4h2v1.600H6zm10-2h2v1.600h-2zm0 4h2v1.600h-2z"/></g></svg>'
});
