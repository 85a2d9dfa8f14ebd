import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { UUID } from '@lumino/coreutils';
import type { Schemas } from '../api';
import { MlopsError } from '../api';
import { ParamForm, ParamFormModel } from '../components/param-form';
import type { IWorkspace } from '../workspace/tokens';
import type { PipelineRun } from './types';

type Spec = Schemas['PipelineSpec'];

/**
 * Ask for the parameters of a pipeline (or of one notebook) and start it.
 *
 * Returns the run; null: the person thought better of it. Rejects with an
 * `MlopsError`.
 */
export async function startPipeline(
  workspace: IWorkspace,
  path: string,
  trans: TranslationBundle
): Promise<PipelineRun | null> {
  const { client } = workspace;
  const { spec, problems } = await client.get('/pipelines/document', {
    query: { path }
  });
  const problem = problems[0];
  if (!spec || problem) {
    throw new MlopsError({
      code: 'invalid-config',
      what: trans.__('%1 can not run.', path),
      why: problem
        ? trans.__('Line %1: %2', problem.line, problem.message)
        : '',
      next: problem?.fix ?? ''
    });
  }
  // Disposed of below, whatever happens.
  // eslint-disable-next-line jupyter/require-disposable-ownership
  const form = new ParamFormModel(spec.parameters, trans);
  // One id for the dialog: pressing the button twice is one run.
  const requestId = UUID.uuid4();
  try {
    while (await askParameters(spec, form, trans)) {
      if (form.isValid) {
        return await client.post('/pipelines/runs', {
          body: {
            path,
            parameters: form.changedValues,
            request_id: requestId
          }
        });
      }
    }
    return null;
  } finally {
    form.dispose();
  }
}

async function askParameters(
  spec: Spec,
  form: ParamFormModel,
  trans: TranslationBundle
): Promise<boolean> {
  const body = ReactWidget.create(
    <StartForm spec={spec} form={form} trans={trans} />
  );
  body.addClass('jp-mlops-Dialog');
  const result = await showDialog({
    title: trans.__('Run %1', spec.name),
    body,
    focusNodeSelector: 'input',
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Run') })
    ]
  });
  return result.button.accept;
}

function StartForm(props: {
  spec: Spec;
  form: ParamFormModel;
  trans: TranslationBundle;
}): JSX.Element {
  const { spec, form, trans } = props;
  return (
    <>
      {spec.description && <p>{spec.description}</p>}
      <p className="jp-mlops-Steps">
        {spec.steps.map(step => step.name).join(' → ')}
      </p>
      {spec.parameters.length ? (
        <ParamForm model={form} />
      ) : (
        <p className="jp-mlops-Muted">{trans.__('It has no parameters.')}</p>
      )}
    </>
  );
}
