-- What the sandbox knows for the examples: a preparation, a report over its result, an automation that
-- runs both. See docs/sandbox.md.
return {
  preparations = {
    {
      id = 1, name = "Strikes by month and size", target = "Strikes by month",
      sql = [[
        SELECT substr("Flight Date", 6, 2) AS month,
               sum("Wildlife Size" = 'Small') AS small,
               sum("Wildlife Size" = 'Medium') AS medium,
               sum("Wildlife Size" = 'Large') AS large
        FROM strikes GROUP BY month ORDER BY month]],
    },
  },
  reports = {
    {
      id = 1, name = "Strikes through the year",
      sql = [[
        SELECT substr('JanFebMarAprMayJunJulAugSepOctNovDec', month * 3 - 2, 3) AS month, small, medium, large
        FROM "Strikes by month"]],
      chart = { type = "bar", labels = "month", series = { "small", "medium", "large" } },
    },
  },
  automations = {
    { id = 1, name = "Prepare the strikes and report", steps = { { preparation = 1 }, { report = 1 } } },
  },
}
