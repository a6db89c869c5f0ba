// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${…} is what the configuration reads.
/** `${NAME}` and `${NAME:-default}` in the strings of a configuration. `$${` stands for `${`. */

export type Environment = Readonly<Record<string, string | undefined>>;

/** The text with its variables filled in. As in a shell, a default also stands in for an empty variable. */
export function fillIn(text: string, env: Environment, fail: (detail: string) => void): string {
  return text.replace(/\$\$\{|\$\{(?:([A-Za-z_]\w*)(?::-([^}]*))?\})?/g, (found, name?: string, fallback?: string) => {
    if (found === '$${') return '${';
    if (name === undefined) {
      fail('a ${ begins a variable: write ${NAME}, ${NAME:-default}, or $${ for the two characters');
      return found;
    }
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
    if (value === undefined) fail(`the environment has no ${name}; set it, or give a default: \${${name}:-default}`);
    return value ?? '';
  });
}
