import { Widget } from '@lumino/widgets';
import { fireEvent, render, screen } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';
import { noTranslation } from '../i18n';
import { FakeServer, makeKit, show } from '../testing/kit';
import { ErrorView } from './error';
import { formatAgo, formatBytes, formatDuration, formatMetric } from './format';
import { LazyWidget, type IView } from './lazy';
import { ParamForm, ParamFormModel } from './param-form';
import { StatusBadge } from './status';

const trans = noTranslation();

describe('format', () => {
  it('writes metrics readably, NaN and infinities in words', () => {
    expect(formatMetric(0.123456789)).toBe('0.12346');
    expect(formatMetric(1e-7)).toBe('1.000e-7');
    expect(formatMetric(3)).toBe('3');
    expect(formatMetric('NaN')).toBe('NaN');
    expect(formatMetric('-Infinity')).toBe('-∞');
    expect(formatMetric(undefined)).toBe('');
  });

  it('writes lengths of time', () => {
    expect(formatDuration(0.42)).toBe('0.4 s');
    expect(formatDuration(59.6)).toBe('1 min 0 s');
    expect(formatDuration(7800)).toBe('2 h 10 min');
  });

  it('says how long ago', () => {
    expect(formatAgo(0, 5, 'en')).toBe('now');
    expect(formatAgo(0, 7200, 'en')).toBe('2h ago');
  });

  it('writes sizes', () => {
    expect(formatBytes(12)).toBe('12 B');
    expect(formatBytes(1_500_000)).toBe('1.50 MB');
  });
});

describe('ErrorView', () => {
  it('shows what, why and next, and is announced', () => {
    const retry = vi.fn();
    render(
      <ErrorView
        error={{ what: 'What.', why: 'Why.', next: 'Next.' }}
        trans={trans}
        onRetry={retry}
      />
    );
    expect(screen.getByRole('alert').textContent).toBe(
      'What.Why.→ Next.Try again'
    );
    fireEvent.click(screen.getByText('Try again'));
    expect(retry).toHaveBeenCalledOnce();
  });
});

describe('StatusBadge', () => {
  it('says the status in a word, also where only the shape is seen', () => {
    new FakeServer();
    show(makeKit(), <StatusBadge status="failed" compact />);
    expect(screen.getByText('Failed').className).toContain('Hidden');
  });
});

describe('ParamForm', () => {
  const parameters = [
    { name: 'months', type: 'integer', default: 6, description: 'How many' },
    { name: 'rate', type: 'number', default: 0.1 },
    { name: 'torch', type: 'boolean', default: false },
    { name: 'kind', type: 'string', default: 'forest' },
    { name: 'extra', type: 'any', default: null }
  ] as const;

  it('begins with the defaults, typed', () => {
    const model = new ParamFormModel(parameters, trans);
    expect(model.values).toEqual({
      months: 6,
      rate: 0.1,
      torch: false,
      kind: 'forest',
      extra: null
    });
    expect(model.changedValues).toEqual({});
  });

  it('takes what the person typed, and sends only what differs', () => {
    const model = new ParamFormModel(parameters, trans);
    render(<ParamForm model={model} />);
    fireEvent.change(screen.getByLabelText('months'), {
      target: { value: '3' }
    });
    fireEvent.click(screen.getByLabelText('torch'));
    fireEvent.change(screen.getByLabelText('extra'), {
      target: { value: '[1, 2]' }
    });
    expect(model.isValid).toBe(true);
    expect(model.changedValues).toEqual({
      months: 3,
      torch: true,
      extra: [1, 2]
    });
  });

  it('says what is wrong beside the field', () => {
    const model = new ParamFormModel(parameters, trans);
    render(<ParamForm model={model} />);
    const field = screen.getByLabelText('months');
    fireEvent.change(field, { target: { value: '3.5' } });
    expect(model.isValid).toBe(false);
    expect(field.getAttribute('aria-invalid')).toBe('true');
    const help = document.getElementById(
      field.getAttribute('aria-describedby') ?? ''
    );
    expect(help?.textContent).toContain('A whole number is needed.');
  });
});

describe('LazyWidget', () => {
  function view(): IView & { active: boolean[] } {
    const active: boolean[] = [];
    return {
      element: <p>the body</p>,
      active,
      setActive: on => active.push(on),
      dispose: vi.fn(),
      isDisposed: false
    };
  }

  it('loads its body when it is first seen, and tells when it is hidden', async () => {
    const body = view();
    const load = vi.fn(async () => body);
    const widget = new LazyWidget(load, trans);
    widget.hide();
    Widget.attach(widget, document.body);
    expect(load).not.toHaveBeenCalled();
    widget.show();
    await screen.findByText('the body');
    expect(load).toHaveBeenCalledOnce();
    expect(body.active).toEqual([true]);
    widget.hide();
    widget.show();
    expect(body.active).toEqual([true, false, true]);
    expect(load).toHaveBeenCalledOnce();
    widget.dispose();
    expect(body.dispose).toHaveBeenCalledOnce();
  });

  it('throws away a body that comes after it is gone', async () => {
    const body = view();
    const widget = new LazyWidget(async () => body, trans);
    Widget.attach(widget, document.body);
    widget.dispose();
    await vi.waitFor(() => expect(body.dispose).toHaveBeenCalledOnce());
    expect(body.active).toEqual([]);
  });

  it('shows why a body did not load, and tries again', async () => {
    const body = view();
    const load = vi
      .fn<() => Promise<IView>>()
      .mockRejectedValueOnce(new Error('chunk missing'))
      .mockResolvedValue(body);
    const widget = new LazyWidget(load, trans);
    Widget.attach(widget, document.body);
    await screen.findByText('chunk missing');
    fireEvent.click(screen.getByText('Try again'));
    await screen.findByText('the body');
    widget.dispose();
  });
});
