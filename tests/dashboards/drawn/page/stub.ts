export const loader = { config: () => undefined };
export default () => null;
