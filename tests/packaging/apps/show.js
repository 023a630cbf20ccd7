/** Runs `work` with the page's query parameters, and shows what came of it for the test to read. */
export async function show(work) {
  const element = document.createElement('pre');
  element.id = 'result';
  try {
    const { embeddings, ...rest } = await work(Object.fromEntries(new URLSearchParams(location.search)));
    const { data, shape } = embeddings;
    element.textContent = JSON.stringify({ data: [...data], shape, crossOriginIsolated, ...rest });
  } catch (error) {
    const { code, message, cause } = error;
    element.textContent = JSON.stringify({ error: { code, message, cause: String(cause) } });
  }
  document.body.append(element);
}
