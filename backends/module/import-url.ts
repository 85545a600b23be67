/** Imports what is no part of sec: packages and settings of the user's project, emitted modules. */

/**
 * The namespace of the module at an absolute URL. A file of its own, which Node loads itself where the rest of the command line is a script
 * that V8 kept (cli/script.ts): such scripts can import nothing. And it is imported late: most commands do not need it.
 */
export const importUrl = async <T>(url: string): Promise<T> => (await import(url)) as T;
