// The report's own script: filters kept in the address, sorting, downloads, charts. The page reads well without it.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const form = document.getElementById("filters");
  const CHART_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
  const NARROW_PX = 560;
  const PRINT_PX = 700;
  const MOST_LINES = 12; // of a tooltip

  // ---- What is shown -------------------------------------------------------------------------------------------

  const boxes = form ? all("input[name=variant]", form) : [];
  const selects = form ? all("select", form) : [];
  const hidden = new Set(); // variants that are not chosen

  const asked = (name) => selects.find((select) => select.name === name)?.value || "";

  // An address that names what this run does not have shows all of it.
  function readAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    for (const select of selects) {
      const value = wanted.get(select.name) || "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
    const names = boxes.filter((box) => wanted.getAll("variant").includes(box.value));
    for (const box of boxes) box.checked = !names.length || names.includes(box);
  }

  function writeAddress() {
    const state = new URLSearchParams();
    for (const select of selects) if (select.value) state.set(select.name, select.value);
    const chosen = boxes.filter((box) => box.checked);
    if (chosen.length < boxes.length) for (const box of chosen) state.append("variant", box.value);
    history.replaceState(null, "", `#${state}`);
  }

  const fits = (element, name) => !asked(name) || (element.dataset[name] ?? asked(name)) === asked(name);

  function apply() {
    const none = boxes.every((box) => !box.checked); // which would show nothing at all
    hidden.clear();
    for (const box of boxes) if (!box.checked && !none) hidden.add(box.value);
    for (const element of all("section[data-scenario], tr[data-scenario]")) {
      element.hidden = !(fits(element, "scenario") && fits(element, "load"));
    }
    const kind = asked("metric");
    for (const element of all("[data-kinds]")) {
      element.hidden = Boolean(kind) && !element.dataset.kinds.split(" ").includes(kind);
    }
    for (const table of all("#ranking table, #figures table, #evidence table")) filterTable(table);
    for (const figure of all("figure[data-chart]")) figure.stale = true;
    drawVisible();
  }

  function filterTable(table) {
    if (table.tHead.rows[0].cells[0].textContent !== "variant") return;
    for (const row of table.tBodies[0].rows) {
      const chosen = !hidden.has(row.cells[0].textContent);
      row.hidden = !(chosen && fits(row, "scenario") && fits(row, "load"));
    }
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      if (!head.dataset.scenario) return;
      const hidden = !(fits(head, "scenario") && fits(head, "load"));
      for (const row of table.rows) row.cells[place].hidden = hidden;
    });
  }

  // ---- Tables --------------------------------------------------------------------------------------------------

  const NUMBER = /^[★≤≥\s]*([-+]?\d[\d.]*)/; // behind a mark, if any

  // What was not measured comes last, whichever way.
  function compare(one, other, sign) {
    const [a, b] = [one.match(NUMBER), other.match(NUMBER)];
    if (a && b) return sign * (Number.parseFloat(a[1]) - Number.parseFloat(b[1]));
    if (a || b) return a ? -1 : 1;
    return sign * one.localeCompare(other);
  }

  function sortable(table) {
    for (const head of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, head));
    }
  }

  function sort(table, head) {
    const descending = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    const text = (row) => row.cells[head.cellIndex].textContent;
    rows.sort((one, other) => compare(text(one), text(other), descending ? -1 : 1));
    table.tBodies[0].append(...rows);
  }

  // ---- Downloads -----------------------------------------------------------------------------------------------

  const frames = JSON.parse(document.getElementById("frames").textContent);

  // The comparison tables have their numbers with all bounds; of the others it is what stands there.
  function contents(table) {
    if (table.dataset.frame) return frames[table.dataset.frame];
    const words = (cell) => cell.innerText.replace(/\s+/g, " ").trim();
    const [head, ...body] = [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
    return { columns: [...table.tHead.rows[0].cells].map(words).map((word, place) => word || head[place]), rows: body };
  }

  // A spreadsheet takes text that begins like this for a formula.
  function field(value) {
    if (value === null) return "";
    const text = typeof value === "string" && /^\s*[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  const asCsv = ({ columns, rows }) => [columns, ...rows].map((row) => row.map(field).join(",")).join("\n") + "\n";

  const asJson = ({ columns, rows }) =>
    JSON.stringify(rows.map((row) => Object.fromEntries(columns.map((name, place) => [name, row[place]]))), null, 1);

  function downloads(table) {
    const place = document.createElement("p");
    place.className = "downloads";
    for (const [ending, type, write] of [["csv", "text/csv", asCsv], ["json", "application/json", asJson]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = ending.toUpperCase();
      button.setAttribute("aria-label", `Save as ${ending.toUpperCase()}: ${table.caption.textContent}`);
      button.addEventListener("click", () => {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([write(contents(table))], { type }));
        link.download = `${nameOf(table)}.${ending}`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      });
      place.append(button);
    }
    table.parentElement.before(place);
  }

  function nameOf(table) {
    const group = table.closest("section[data-scenario]")?.dataset.scenario ?? "";
    const words = `${group} ${table.caption.textContent}`.toLowerCase();
    return words.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 80);
  }

  // ---- Charts --------------------------------------------------------------------------------------------------

  // The functions that an option may ask for by name.
  const CALLS = {
    percentile: (nines) => String(Number((100 - 100 / 10 ** nines).toPrecision(nines > 1.5 ? 4 : 2))),
  };
  const revive = (_, value) =>
    value !== null && typeof value === "object" && Object.hasOwn(CALLS, value.call) ? CALLS[value.call] : value;

  const axis = {
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: { color: "var(--soft)", fontSize: 12, formatter: String, hideOverlap: true },
    nameTextStyle: { color: "var(--soft)", fontSize: 12 },
    splitLine: { lineStyle: { color: "var(--line)" } },
    axisPointer: { lineStyle: { color: "var(--soft)" } },
  };
  const THEME = {
    animation: false,
    textStyle: { fontFamily: CHART_FONT, color: "var(--ink)" },
    title: { textStyle: { fontSize: 13, fontWeight: 600 }, padding: 0 },
    valueAxis: axis,
    logAxis: axis,
    categoryAxis: { ...axis, axisLabel: { fontSize: 12 } },
    line: { lineStyle: { width: 1.6 }, symbolSize: 7, showSymbol: false, emphasis: { focus: "series" } },
    tooltip: {
      renderMode: "richText",
      confine: true,
      backgroundColor: "var(--panel)",
      borderColor: "var(--line)",
      borderWidth: 1,
      textStyle: { color: "var(--ink)", fontSize: 13, lineHeight: 19 },
      shadowBlur: 0,
      shadowColor: "transparent",
    },
  };

  // Text alone: names come from variants, so a tooltip never is HTML.
  const clean = (text) => text.replaceAll("{", "(").replaceAll("}", ")");

  function describe(figure, option) {
    return (given) => {
      if (!Array.isArray(given)) return clean([given.seriesName, given.data?.tip].filter(Boolean).join("\n"));
      const here = given.filter((one) => one.seriesName && one.axisIndex === (figure.panel ?? 0));
      const lines = here
        .map((one) => [one, one.value?.[one.dimensionNames[one.encode.y[0]]] ?? one.value?.[one.encode.y[0]]])
        .filter(([, value]) => typeof value === "number")
        .sort(([, a], [, b]) => b - a)
        .map(([one, value]) => `${value} ${option.unit[one.axisIndex]}  ${clean(one.seriesName)}`);
      if (!lines.length) return "";
      const more = lines.length > MOST_LINES ? [`and ${lines.length - MOST_LINES} more`] : [];
      return [titleOf(here[0], option), ...lines.slice(0, MOST_LINES), ...more].join("\n");
    };
  }

  function titleOf(one, option) {
    const format = [option.xAxis].flat()[0].axisLabel?.formatter;
    return format ? `p${format(Number(one.axisValue))}` : `second ${one.axisValue}`;
  }

  // The option with the variants that are shown, for the width that there is.
  function fitted(figure, width) {
    const option = JSON.parse(figure.querySelector('script[type="application/json"]').textContent, revive);
    option.series = option.series.filter((one) => !hidden.has(one.name));
    for (const one of [option.yAxis].flat()) {
      if (one.type !== "category") continue;
      one.data = one.data.filter((name) => !hidden.has(name));
      one.axisLabel = { ...one.axisLabel, width: width < NARROW_PX ? 96 : 190, overflow: "truncate" };
    }
    option.tooltip = { ...option.tooltip, formatter: describe(figure, option) };
    option.aria = { enabled: true, label: { description: figure.querySelector(".chart").dataset.alt } };
    return option;
  }

  // The signs of the variants that a chart has lines of, as the filter shows them.
  function legend(figure, option) {
    const names = new Set(option.series.map((one) => one.name));
    const signs = boxes.filter((box) => names.has(box.value)).map((box) => {
      const sign = document.createElement("span");
      sign.append(box.parentElement.querySelector("svg").cloneNode(true), box.value);
      return sign;
    });
    let place = figure.querySelector(".legend");
    if (!place) {
      place = document.createElement("p");
      place.className = "legend";
      figure.querySelector(".chart").before(place);
    }
    place.replaceChildren(...signs);
  }

  const rowsOf = (option) => [option.yAxis].flat().reduce((sum, one) => sum + (one.data?.length ?? 0), 0);

  function draw(figure, width = figure.clientWidth) {
    const place = figure.querySelector(".chart");
    place.dataset.alt ??= place.getAttribute("aria-label");
    const option = fitted(figure, width);
    const height = Number(figure.dataset.height) + Number(figure.dataset.row) * rowsOf(option);
    place.style.height = `${height}px`;
    figure.chart ??= begin(figure, place);
    figure.chart.resize({ width, height });
    figure.chart.setOption(option, { notMerge: true });
    if ("legend" in figure.dataset) legend(figure, option);
    figure.stale = false;
    figure.drawn = width;
  }

  function begin(figure, place) {
    const chart = echarts.init(place, THEME, { renderer: "svg" });
    chart.getZr().on("mousemove", ({ offsetX, offsetY }) => {
      const panels = [chart.getOption().grid].flat().map((_, panel) => panel);
      figure.panel = panels.find((panel) => chart.containPixel({ gridIndex: panel }, [offsetX, offsetY]));
    });
    return chart;
  }

  const near = new Set();
  function drawVisible() {
    for (const figure of near) {
      if (figure.clientWidth && (figure.stale || figure.drawn !== figure.clientWidth)) draw(figure);
    }
  }

  // ---- Beginning -----------------------------------------------------------------------------------------------

  for (const table of all("table.sortable")) {
    sortable(table);
    downloads(table);
  }
  if (form) {
    form.hidden = false;
    form.addEventListener("change", () => { writeAddress(); apply(); });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => { writeAddress(); apply(); }));
    addEventListener("hashchange", () => { readAddress(); apply(); });
  }
  // The address holds the filters, so the links inside the page move without it.
  for (const link of all('a[href^="#"]')) {
    link.addEventListener("click", (event) => {
      const target = document.getElementById(link.hash.slice(1));
      event.preventDefault();
      target.tabIndex = -1;
      target.focus({ preventScroll: true });
      target.scrollIntoView();
    });
  }
  readAddress();
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) entry.isIntersecting ? near.add(entry.target) : near.delete(entry.target);
    drawVisible();
  }, { rootMargin: "400px" });
  for (const figure of all("figure[data-chart]")) seen.observe(figure);
  apply();
  addEventListener("resize", drawVisible);
  addEventListener("beforeprint", () => {
    for (const figure of all("figure[data-chart]")) if (figure.clientWidth) draw(figure, PRINT_PX);
  });
  addEventListener("afterprint", drawVisible);
})();
