import { LabIcon } from '@jupyterlab/ui-components';

function make(name: string, body: string): LabIcon {
  return new LabIcon({
    name: `jupyter-mlops:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">${body}</g></svg>`
  });
}

/** The workbench as a whole: a loop through three stations. */
export const mlopsIcon = make(
  'mlops',
  '<path d="M12 3a9 9 0 0 1 8.5 6h-2.2A7 7 0 0 0 5.8 8.8l2.3.2-.2 2-5.4-.6.6-5.3 2 .2-.2 2A9 9 0 0 1 12 3zm9.5 10.6-.6 5.3-2-.2.2-2A9 9 0 0 1 3.5 15h2.2a7 7 0 0 0 12.5.2l-2.3-.2.2-2z"/><circle cx="12" cy="12" r="2.6"/>'
);

/** Experiments: a flask. */
export const experimentsIcon = make(
  'experiments',
  '<path d="M8 2h8v2h-1v5.3l5.6 9.3A2.2 2.2 0 0 1 18.7 22H5.3a2.2 2.2 0 0 1-1.9-3.4L9 9.3V4H8zm3 2v5.9L8.3 14.300h7.4L13 9.900V4z"/>'
);

/** Pipelines: steps that follow one another. */
export const pipelinesIcon = make(
  'pipelines',
  '<path d="M2 4h7v6H2zm13 0h7v6h-7zM8.500 14h7v6h-7zM10 6.200h4v1.600h-4zM17.700 11h1.600v6.800H16.500v-1.600h1.200zM4.700 11h1.600v5.200h1.200v1.600H4.700z"/>'
);

/** Models: a box that is handed on. */
export const modelsIcon = make(
  'models',
  '<path d="m12 2 9 4.800v10.400L12 22l-9-4.800V6.800zm0 2.300L6.300 7.300 12 10.400l5.700-3.100zM5 9v7l6 3.200v-7zm14 0-6 3.200v7l6-3.200z"/>'
);

/** An endpoint: a plug that answers. */
export const endpointIcon = make(
  'endpoint',
  '<path d="M8 2h2v5h4V2h2v5h2v5a6 6 0 0 1-5 5.900V22h-2v-4.100A6 6 0 0 1 6 12V7h2z"/>'
);
