import { InputDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IWorkspace } from '../workspace/tokens';
import type { Endpoint } from './types';

/**
 * Ask for the name of an endpoint and put a model version behind it.
 *
 * @param model `name/version` or `name@alias`.
 * @returns the endpoint; null: the person thought better of it.
 */
export async function deployModel(
  workspace: IWorkspace,
  model: string,
  trans: TranslationBundle
): Promise<Endpoint | null> {
  const answer = await InputDialog.getText({
    title: trans.__('Deploy %1', model),
    label: trans.__(
      'Name of the endpoint; where it exists, it moves to this version:'
    ),
    text: suggestedName(model),
    pattern: '[a-zA-Z0-9][a-zA-Z0-9_.\\-]{0,62}',
    required: true,
    okLabel: trans.__('Deploy')
  });
  const endpoint = answer.value?.trim();
  if (!answer.button.accept || !endpoint) {
    return null;
  }
  return workspace.client.post('/serving/endpoints', {
    body: { endpoint, model }
  });
}

/** A name for the endpoint of a model: the model's, with what a URL can't hold left out. */
export function suggestedName(model: string): string {
  return model
    .replace(/[@/][^@/]*$/, '')
    .replace(/[^a-zA-Z0-9_.-]+/g, '-')
    .replace(/^[^a-zA-Z0-9]+/, '')
    .slice(0, 63);
}
