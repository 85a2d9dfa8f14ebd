import type { IServices } from '../components';
import { Popup } from '../components/popup';
import { OriginCard } from './origin-card';
import type { Origins } from './origins';

/** What made an output; `execution` empty: nothing was recorded. */
export function originPopup(
  services: IServices,
  origins: Origins,
  execution: string
): Popup {
  const label = services.trans.__('What made this output');
  return new Popup({
    services,
    label,
    className: 'jp-mlops-Origin',
    align: 'right',
    body: close => (
      <>
        <p className="jp-mlops-Popup-title">{label}</p>
        <OriginCard origins={origins} execution={execution} onLeave={close} />
      </>
    )
  });
}
