// Show openapi.json: what may be asked, what is answered.
"use strict";

function make(tag, ...children) {
  const element = document.createElement(tag);
  element.append(...children);
  return element;
}

function makeTable(title, head, rows) {
  const table = make("table", make("caption", title), make("tr", ...head.map((text) => make("th", text))));
  for (const [first, ...others] of rows) table.append(make("tr", make("th", first), ...others.map((text) => make("td", text))));
  return table;
}

function typeName(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.map(typeName).join(" or ");
  if (schema.prefixItems) return `[${schema.prefixItems.map(typeName).join(", ")}]`;
  if (schema.type === "array") return `list of ${typeName(schema.items)}`;
  if (schema.additionalProperties) return `{name: ${typeName(schema.additionalProperties)}}`;
  return schema.type || "";
}

function describeOperation(path, method, operation) {
  const section = make("section", make("h2", make("code", `${method.toUpperCase()} ${path}`)));
  section.append(make("p", [operation.summary, operation.description].filter(Boolean).join(". ")));
  if (operation.requestBody) {
    const types = Object.keys(operation.requestBody.content).join(", ");
    section.append(make("p", `${operation.requestBody.description} Content-Type: ${types}.`));
  }
  const rows = Object.entries(operation.responses).map(([status, response]) => {
    const [type, content] = Object.entries(response.content || {})[0] || ["", {}];
    return [status, response.description, typeName(content.schema) || type];
  });
  section.append(makeTable("Answers", ["status", "meaning", "content"], rows));
  return section;
}

function describeSchema(name, schema) {
  const rows = Object.entries(schema.properties || {}).map(([field, value]) => [field, typeName(value), value.description || ""]);
  const section = make("section", make("h2", make("code", name)));
  if (schema.description) section.append(make("p", schema.description));
  section.append(makeTable("Fields", ["name", "type", "meaning"], rows));
  return section;
}

async function showApi() {
  const api = await (await fetch("openapi.json")).json();
  const docs = document.getElementById("docs");
  docs.replaceChildren(make("p", api.info.description));
  docs.append(make("pre", `curl -H "Content-Type: image/jpeg" --data-binary @photo.jpg ${location.origin}/v1/faces
curl -F photo=@one.jpg -F photo=@two.jpg ${location.origin}/v1/faces`));
  docs.append(make("p", 'Where the server was started with a token, add -H "Authorization: Bearer TOKEN".'));
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(methods)) docs.append(describeOperation(path, method, operation));
  for (const [name, schema] of Object.entries(api.components.schemas)) docs.append(describeSchema(name, schema));
}

showApi().catch((error) => document.getElementById("docs").replaceChildren(`openapi.json cannot be read: ${error.message}`));
