import type { Schemas } from '../api';

/** Where a workspace lies, as the server tells it. */
export type Place = Pick<Schemas['WorkspaceState'], 'root' | 'prefix'>;

/** Return the folder of a path; empty: the root. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** Return a Lab path without its drive and without slashes around it. */
export function localPath(path: string): string {
  return path.replace(/^[^/:]+:/, '').replace(/^\/+|\/+$/g, '');
}

/** Return the path below the server's root of a workspace path; null: it lies outside. */
export function toServerPath(place: Place, path: string): string | null {
  if (!place.prefix) {
    return place.root ? `${place.root}/${path}` : path;
  }
  return below(place.prefix, path);
}

/** Return the workspace path of a path below the server's root; null: it lies outside. */
export function toWorkspacePath(place: Place, path: string): string | null {
  if (place.prefix) {
    return path ? `${place.prefix}/${path}` : place.prefix;
  }
  return place.root ? below(place.root, path) : path;
}

function below(folder: string, path: string): string | null {
  if (path === folder) {
    return '';
  }
  return path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : null;
}
