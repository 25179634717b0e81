// The recall-against-queries curve as an SVG, by echarts.
import * as echarts from "echarts";

const recallMin = 0.8;

/** Draws the runs of one row. */
export async function curveOf(runs) {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: 820, height: 460 });
  const drawn = Object.entries(runs).filter(
    ([name, { curve }]) => curve.length > 1 && !name.includes(", "),
  );
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    grid: { left: 70, right: 24, top: 24, bottom: 96 },
    legend: { bottom: 8, itemWidth: 18 },
    xAxis: {
      type: "value",
      name: "recall@10",
      nameLocation: "middle",
      nameGap: 28,
      min: recallMin,
      max: 1,
    },
    yAxis: { type: "log", name: "queries / s", nameGap: 8, min: 500 },
    series: drawn.map(([name, { curve }]) => ({
      name,
      type: "line",
      symbolSize: 5,
      lineStyle: { width: name.startsWith("cairn") ? 3 : 1.5 },
      data: curve
        .filter(({ recall }) => recall >= recallMin)
        .map(({ recall, qps }) => [recall, Math.round(qps)]),
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}
