export function groupCommit<T>(commit: (operations: T[]) => Promise<void> | void): (operation: T) => Promise<void>;
