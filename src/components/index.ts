export {
  Button,
  CopyButton,
  EmptyState,
  Facts,
  IconButton,
  Link,
  Progress,
  Section
} from './basics';
export { ErrorView } from './error';
export { useChanged } from './hooks';
export { Loading, QueryState } from './query-state';
export type { IServices } from './services';
export { ServicesProvider, useServices, useTrans } from './services';
export type { AnyStatus } from './status';
export { StatusBadge, statusLabel } from './status';
export { Duration, RelativeTime } from './time';
export { viewOf } from './view';
