{{/*
A pod of a component: root, component, values (of the component), args (of the program), env, mounts, volumes and
containerExtra, each YAML or empty.
*/}}
{{- define "modferry.pod" -}}
{{- $files := include "modferry.files" . | fromYamlArray -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "modferry.labels" . | nindent 4 }}
    {{- with .values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $annotations := .values.podAnnotations }}
  {{- if and $root.Values.trust.publicKeys (ne .component "mirror") }}
  {{- $annotations = merge (dict "modferry.dev/keys" (toJson $root.Values.trust.publicKeys | sha256sum)) $annotations }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "modferry.serviceAccount" $root }}
  automountServiceAccountToken: false
  # A Service of the name modferry would set variables that look like options.
  enableServiceLinks: false
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with $root.Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- .spec | nindent 2 }}
  containers:
    - name: modferry
      image: {{ include "modferry.image" . | toJson }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args:
        {{- .args | nindent 8 }}
      env:
        - name: HOME
          value: {{ .home }}
        {{- if $root.Values.registry.credentialsSecret }}
        - name: DOCKER_CONFIG
          value: /etc/modferry/registry
        {{- end }}
        {{- with dig "limits" "memory" "" .values.resources | toString }}
        {{- if regexMatch "^[0-9]+[MGT]i$" . }}
        - name: GOMEMLIMIT
          value: {{ div (mul (include "modferry.mebibytes" . | int64) 9) 10 }}MiB
        {{- end }}
        {{- end }}
        {{- with .env }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with .values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .container }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with .values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- range $files }}
        - name: {{ .name }}
          mountPath: {{ .mountPath }}
          readOnly: true
        {{- end }}
        {{- .mounts | nindent 8 }}
        {{- with .values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- range $files }}
    - name: {{ .name }}
      {{- toYaml .volume | nindent 6 }}
    {{- end }}
    {{- .volumes | nindent 4 }}
    {{- with .values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "modferry.serviceAccount" -}}
{{- .Values.serviceAccount.create | ternary (default (include "modferry.fullname" .) .Values.serviceAccount.name) (default "default" .Values.serviceAccount.name) -}}
{{- end -}}

{{/* A CronJob of a component: as "modferry.pod", without container and spec. */}}
{{- define "modferry.cronJob" -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "modferry.fullname" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "modferry.labels" . | nindent 4 }}
spec:
  schedule: {{ .values.schedule | toJson }}
  {{- with .values.timeZone }}
  timeZone: {{ . | toJson }}
  {{- end }}
  suspend: {{ .values.suspend }}
  # A run goes on where the last one stopped; two at a time would only do the same.
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    metadata:
      labels:
        {{- include "modferry.labels" . | nindent 8 }}
    spec:
      backoffLimit: 2
      activeDeadlineSeconds: {{ .values.activeDeadlineSeconds }}
      # Trying again does not mend a wrong option (2), nor what was refused because it is not to be trusted (4).
      podFailurePolicy:
        rules:
          - action: Ignore
            onPodConditions: [{type: DisruptionTarget, status: "True"}]
          - action: FailJob
            onExitCodes: {containerName: modferry, operator: In, values: [2, 4]}
      template:
        {{- include "modferry.pod" (merge (dict "spec" "restartPolicy: Never") .) | nindent 8 }}
{{- end -}}
