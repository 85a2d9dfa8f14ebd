import type { TranslationBundle } from '@jupyterlab/translation';
import { nullTranslator } from '@jupyterlab/translation';

/** The catalogue's domain, the same as the Python package's. */
export const DOMAIN = 'jupyter_mlops';

/** A bundle that returns every string unchanged, where no translator is given. */
export function noTranslation(): TranslationBundle {
  const trans = nullTranslator.load(DOMAIN);
  return trans;
}
