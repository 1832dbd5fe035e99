// The charts themselves, loaded when the dashboard is opened.

import "@mantine/charts/styles.css";
import { BarChart, LineChart } from "@mantine/charts";
import { useText } from "../i18n";

const SERIES = { created: "indigo.5", resolved: "teal.6" };

/** What came in and what was done, by day. */
export function Flow(props: {
  data: { day: string; created: number; resolved: number }[];
  created: string;
  resolved: string;
  locale: string;
}) {
  const format = new Intl.DateTimeFormat(props.locale, { day: "numeric", month: "short", timeZone: "UTC" });
  return (
    <LineChart
      h={220}
      data={props.data}
      dataKey="day"
      curveType="linear"
      withDots={false}
      withLegend
      strokeWidth={2}
      xAxisProps={{ tickFormatter: (day: string) => format.format(new Date(day)), minTickGap: 40 }}
      yAxisProps={{ allowDecimals: false, width: 36 }}
      lineChartProps={{ accessibilityLayer: false }}
      lineProps={{ isAnimationActive: false }}
      tooltipAnimationDuration={0}
      series={[
        { name: "created", label: props.created, color: SERIES.created },
        { name: "resolved", label: props.resolved, color: SERIES.resolved, strokeDasharray: "5 3" },
      ]}
    />
  );
}

/** One bar for each name. */
export function Bars({ data, name }: { data: { name: string; value: number }[]; name: string }) {
  const { locale } = useText();
  const format = new Intl.NumberFormat(locale);
  return (
    <BarChart
      h={Math.max(120, data.length * 32 + 24)}
      data={data}
      dataKey="name"
      orientation="vertical"
      gridAxis="none"
      withXAxis={false}
      withBarValueLabel
      // Without a format the labels stay empty.
      valueFormatter={(value) => format.format(value)}
      maxBarWidth={16}
      barChartProps={{ accessibilityLayer: false, margin: { right: 40 } }}
      barProps={{ isAnimationActive: false }}
      yAxisProps={{ width: 110, interval: 0 }}
      tooltipAnimationDuration={0}
      series={[{ name: "value", label: name, color: SERIES.created }]}
    />
  );
}
